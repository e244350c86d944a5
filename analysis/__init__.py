"""Scripts that turn record files into tables and figures; each is ``obcn analyse NAME``, and in a clone
``python -m analysis.NAME`` too.

Each script has one function that notebooks and the app call too. Tables are pandas frames, figures plotly's.
"""
