from hypothesis import settings

# Shared machines stall: a slow example is no failure.
settings.register_profile("patient", deadline=None, max_examples=60)
settings.load_profile("patient")
