"""The parts of the ``obcn`` command: one file per subcommand, named in :mod:`obcn.cli`.

Heavy modules are imported inside the commands, so that ``obcn --help`` answers at once.
"""
