"""A batch's record: what is known of a batch beside its images, where it differs from any other's."""
