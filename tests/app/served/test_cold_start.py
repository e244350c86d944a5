"""A server's first visitors."""

from tests.app.cold_start import visit_cold


def test_visitors_of_a_cold_server_all_see_boxes(browser, tmp_path) -> None:
    assert visit_cold(browser, tmp_path, later=3) == 8, "six windows, one of them reloaded, and one that came later"
