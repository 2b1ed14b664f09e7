"""What became of uploaded images, from the buckets and from workers' announcements, told to whoever looks."""
