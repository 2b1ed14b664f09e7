"""What every tier shares: settings, vocabulary, errors, storage, transport and the embedded cloud.

Nothing here knows a tier, but for `app.cli`, which starts them all.
"""
