"""Where Explore has a data set but no record file: run models on it, and watch, stop and resume them."""

from collections.abc import Mapping, Sequence

import streamlit as st

from app import detectors
from app.detectors import ModelFile
from app.hosting import is_hosted
from app.markup import plain
from app.records.choice import EXPLORE_KEYS, remember_made
from app.records.run import Job, Run, State, photos_to_run, runs_of
from obcn.errors import UserError

# The pair that a newcomer compares.
FIRST = 2
_STARTED = "runs-started"


def offer_runs(data: str, photos: str) -> None:
    """Draw the models to choose from, and how far each is.

    Args:
        data: where the true boxes are, as :mod:`app.sources` takes it.
        photos: folder of the photos.
    """
    if is_hosted():
        # Strangers would keep the machine busy for hours, and fill its disk.
        return
    known = detectors.available_models()
    try:
        annotations, missing = photos_to_run(data, photos)
    except UserError as error:
        st.info(f"No model can run here: {plain(str(error))}.", icon=":material/hide_image:")
        return
    models = fitting(known, annotations.classes)
    if not models:
        st.info(
            f"None of the models knows a class of these photos ({plain(', '.join(annotations.classes))}). Load "
            "yours on the Models page, or train one: `obcn train compact_obcn --init obcn --data data.yaml`.",
            icon=":material/deployed_code:",
        )
        return
    with st.container(border=True):
        st.markdown(
            "**Only the true boxes are shown, for no record file is chosen.** Run models on these "
            f"{len(annotations):,} photos to see what they make of them, and where one beats another."
        )
        strangers = [name for name in known if name not in models]
        if strangers:
            st.caption(f"Not offered, since they know none of the classes: {plain(', '.join(strangers))}.")
        if missing:
            st.caption(f"{missing:,} more photos are named in the data set but are not in the folder.")
        chosen = st.multiselect("Models to run", list(models), default=first_of(models), key="run-models")
        devices = detectors.devices()
        device = st.selectbox("Device", devices, key="run-device") if len(devices) > 1 else devices[0]
        runs = runs_of([Job.of(models[name], data, photos, annotations) for name in chosen], len(annotations))
        remember_made([run.job.path for run in runs])
        busy = any(run.active for run in runs)
        st.fragment(_show_runs, run_every=0.5 if busy else None)(chosen, runs, device, busy)


def fitting(models: Mapping[str, ModelFile], classes: Sequence[str]) -> dict[str, ModelFile]:
    """Models that know some of a data set's classes, those that know the most first, and of them the fewest others."""
    shared = {name: len(set(model.card.classes) & set(classes)) for name, model in models.items()}
    order = sorted(models, key=lambda name: (-shared[name], len(models[name].card.classes)))
    return {name: models[name] for name in order if shared[name]}


def first_of(models: Mapping[str, ModelFile]) -> list[str]:
    """Those to begin with: the first two, but of a training run its best alone, whose twin its last is."""
    return [name for name, model in models.items() if model.path.stem != "last"][:FIRST]


def _show_runs(names: Sequence[str], runs: Sequence[Run], device: str, busy: bool) -> None:
    """A row per run; drawn again and again while one is at work."""
    if busy and not any(run.active for run in runs):
        # The last one has ended: the page has more to offer now.
        st.rerun()
    for name, run in zip(names, runs, strict=True):
        bar, button = st.columns([5, 1], vertical_alignment="bottom")
        state = _state(run)
        bar.progress(run.done / run.total, text=f"**{plain(name)}**: {_in_words(run, state)}")
        key = f"run-{run.job.path.stem}"
        if run.active:
            button.button("Stop", key=f"{key}-stop", icon=":material/stop:", on_click=run.stop, width="stretch")
        elif state in ("stopped", "failed") and button.button(
            "Go on", key=f"{key}-go", icon=":material/play_arrow:", width="stretch"
        ):
            _start(run, device)
            st.rerun()
        if state == "failed":
            st.error(plain(run.error), icon=":material/error:")
    done = [str(run.job.path) for run in runs if run.state == "done"]
    fresh = [run for run in runs if _state(run) == "new"]
    with st.container(horizontal=True):
        if fresh and st.button("Run the models on these photos", type="primary", icon=":material/play_arrow:"):
            for run in fresh:
                _start(run, device)
            st.rerun()
        if done:
            st.button(
                "Show what they found",
                type="secondary" if fresh else "primary",
                icon=":material/photo_library:",
                on_click=_show_records,
                args=(done,),
            )


def _start(run: Run, device: str) -> None:
    st.session_state.setdefault(_STARTED, set()).add(run.job.path)
    run.start(device)


def _state(run: Run) -> State:
    """A run's state as this visitor is told: the failure of a run that another one started is none of theirs."""
    if run.state == "failed" and run.job.path not in st.session_state.get(_STARTED, ()):
        return "stopped" if run.done else "new"
    return run.state


def _in_words(run: Run, state: State) -> str:
    """How far a run is."""
    done = f"{run.done:,} of {run.total:,} photos"
    if state == "running":
        left = run.seconds_left
        return done if left is None else f"{done}, about {_duration(left)} left"
    return {
        "new": "not run yet",
        "waiting": "waits for its turn",
        "stopped": f"stopped at {done}",
        "failed": f"failed at {done}",
        "done": f"all {run.total:,} photos done",
    }[state]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _show_records(paths: list[str]) -> None:
    st.session_state[EXPLORE_KEYS["records"]] = paths
