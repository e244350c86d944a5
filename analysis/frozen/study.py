"""The head of a study's row, how it is read, and what a training run of it goes by."""

import hashlib
import json

from analysis.frozen.heads import HeadSettings
from obcn.config import ScheduleConfig
from obcn.offsets import OffsetCodec
from obcn.studies.study import Protocol, Row


def head_settings(row: Row, protocol: Protocol) -> HeadSettings:
    """A row's head, filled up from the protocol."""
    return HeadSettings.model_validate({**protocol.head, **row.head})


def reading_codec(row: Row, settings: HeadSettings) -> OffsetCodec:
    """How a row reads its head."""
    return settings.offsets.build().decoding(row.decode, row.stages)


def run_id(settings: HeadSettings, schedule: ScheduleConfig, trunk: str, data: str, seed: int) -> str:
    """Names a training run by its settings, trunk, data and seed; rows that only read differently share one.

    Settings at their default are left out, so that a new setting does not make old outcomes unknown. The code is not
    among them: after a change of how heads learn or are judged, or of a default, start with another work folder.
    """
    chosen = [model.model_dump(mode="json", exclude_defaults=True) for model in (settings, schedule)]
    decisive = [*chosen, trunk, data, seed]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
