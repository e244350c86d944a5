"""Scripts that turn record files into tables and figures; each is ``python -m analysis.NAME --help``.

Each script has one function that notebooks and the app call too. Tables are pandas frames, figures plotly's.
"""
