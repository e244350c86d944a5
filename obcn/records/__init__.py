"""Records: what a detector said of every object of a data set, as one Parquet table (docs/records.md).

One row per detection and one per true object that none matched. The analyses and the app read this table and nothing
else. Nothing is imported here, so that :mod:`obcn.records.files` and :mod:`obcn.records.schema` need no torch: an
analysis of a million rows then takes a third of the memory and starts at once.
"""
