"""What runs: the frame hook, which frames are roots, backends."""
