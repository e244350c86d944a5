"""Where Explore has a data set but no record file: run models on it, and watch, stop and resume them."""

from collections.abc import Sequence

import streamlit as st

from app import detectors
from app.hosting import is_hosted
from app.markup import plain
from app.records.choice import EXPLORE_KEYS
from app.records.run import Job, Run, photos_to_run, runs_of
from obcn.errors import UserError

# The pair that a newcomer compares.
FIRST = 2


def offer_runs(data: str, photos: str) -> None:
    """Draw the models to choose from, and how far each is.

    Args:
        data: where the true boxes are, as :mod:`app.sources` takes it.
        photos: folder of the photos.
    """
    if is_hosted():
        # Strangers would keep the machine busy for hours, and fill its disk.
        return
    models = detectors.available_models()
    try:
        annotations, missing = photos_to_run(data, photos)
    except UserError as error:
        st.info(f"No model can run here: {plain(str(error))}.", icon=":material/hide_image:")
        return
    if not models:
        return
    with st.container(border=True):
        st.markdown(
            "**Only the true boxes are shown, for no record file is chosen.** Run models on these "
            f"{len(annotations):,} photos to see what they make of them, and where one beats another."
        )
        if missing:
            st.caption(f"{missing:,} more photos are named in the data set but are not in the folder.")
        chosen = st.multiselect("Models to run", list(models), default=list(models)[:FIRST], key="run-models")
        devices = detectors.devices()
        device = st.selectbox("Device", devices, key="run-device") if len(devices) > 1 else devices[0]
        runs = runs_of([Job.of(models[name], data, photos, annotations) for name in chosen], len(annotations))
        busy = any(run.active for run in runs)
        st.fragment(_show_runs, run_every=0.5 if busy else None)(chosen, runs, device, busy)


def _show_runs(names: Sequence[str], runs: Sequence[Run], device: str, busy: bool) -> None:
    """A row per run; drawn again and again while one is at work."""
    if busy and not any(run.active for run in runs):
        # The last one has ended: the page has more to offer now.
        st.rerun()
    for name, run in zip(names, runs, strict=True):
        bar, button = st.columns([5, 1], vertical_alignment="bottom")
        bar.progress(run.done / run.total, text=f"**{plain(name)}**: {_told(run)}")
        key = f"run-{run.job.path.stem}"
        if run.active:
            button.button("Stop", key=f"{key}-stop", icon=":material/stop:", on_click=run.stop, width="stretch")
        elif run.state in ("stopped", "failed") and button.button(
            "Go on", key=f"{key}-go", icon=":material/play_arrow:", width="stretch"
        ):
            run.start(device)
            st.rerun()
        if run.error:
            st.error(plain(run.error), icon=":material/error:")
    done = [str(run.job.path) for run in runs if run.state == "done"]
    fresh = [run for run in runs if run.state == "new"]
    with st.container(horizontal=True):
        if fresh and st.button("Run the models on these photos", type="primary", icon=":material/play_arrow:"):
            for run in fresh:
                run.start(device)
            st.rerun()
        if done:
            st.button(
                "Show what they found",
                type="secondary" if fresh else "primary",
                icon=":material/photo_library:",
                on_click=_show_records,
                args=(done,),
            )


def _told(run: Run) -> str:
    """How far a run is, in words."""
    done = f"{run.done:,} of {run.total:,} photos"
    if run.state == "running":
        left = run.seconds_left
        return done if left is None else f"{done}, about {_duration(left)} left"
    return {
        "new": "not run yet",
        "waiting": "waits for its turn",
        "stopped": f"stopped at {done}",
        "failed": f"failed at {done}",
        "done": f"all {run.total:,} photos done",
    }[run.state]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _show_records(paths: list[str]) -> None:
    st.session_state[EXPLORE_KEYS["records"]] = paths
