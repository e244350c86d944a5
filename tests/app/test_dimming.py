import itertools

from app.compare.dimming import dim_all_but, objects_key


def test_numbers_of_another_photo_or_of_other_models_are_dimmed():
    said = [("a", ["obcn"]), ("b", ["obcn"]), ("a", ["obcn", "dfl"]), ("a", ["obcndfl"]), ("a", ["dfl", "obcn"])]
    keys = [objects_key(digest, models) for digest, models in said]
    for one, other in itertools.combinations(keys, 2):
        assert one != other
        assert f"st-key-{other}" not in dim_all_but(one)


def test_numbers_of_the_same_are_not():
    key = objects_key("a", ["obcn", "dfl"])
    assert key == objects_key("a", ["obcn", "dfl"])
    assert f":not(:has(.st-key-{key}))" in dim_all_but(key)
