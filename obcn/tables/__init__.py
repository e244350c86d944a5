"""Record files as pandas frames, for pages, scripts and notebooks."""
