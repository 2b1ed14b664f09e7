"""A fleet in virtual time: traces run through the real policy and its rivals, and are drawn."""
