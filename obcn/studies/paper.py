"""The paper's own figures, to print beside ours."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from obcn.yaml_files import read_yaml


class PaperRow(BaseModel):
    """One line of one of the paper's tables, figures in percent."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    table: str
    name: str
    AP: float
    AP50: float
    AP60: float
    AP70: float
    AP80: float
    AP90: float

    def figures(self) -> dict[str, float]:
        """AP to AP90 by name."""
        return self.model_dump(exclude={"table", "name"})


class Paper(BaseModel):
    """What ``obcn/studies/paper.yaml`` holds: rows by the names that studies use."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str
    setting: str
    rows: dict[str, PaperRow]


def load_paper() -> Paper:
    """The paper's figures."""
    return read_yaml(Path(__file__).with_name("paper.yaml"), Paper)
