"""``obcn predict``."""

from pathlib import Path
from typing import Annotated

import typer

from obcn.commands.files import make_folder, refuse_folder, write_text
from obcn.commands.options import (
    DecodeOption,
    DeviceOption,
    MergeOption,
    ModelOption,
    RankOption,
    StagesOption,
    chosen_device,
    decode_by,
    select_by,
)
from obcn.errors import UserError
from obcn.files import replacing


def predict(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of them.", metavar="PHOTO...")],
    model: ModelOption = "obcn",
    score: Annotated[float, typer.Option(min=0, max=1, help="Leave out detections below this.")] = 0.5,
    decode: DecodeOption = None,
    stages: StagesOption = None,
    rank_by: RankOption = None,
    merge_by: MergeOption = None,
    device: DeviceOption = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write COCO result rows here.")] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="COCO file whose image and category ids --json gives, by the names in it.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Folder to write the photos with their boxes into.")] = None,
) -> None:
    """Detect objects in photos.

    Example: `obcn predict dog.jpg photos --save drawn --json found.json`
    """
    import json

    from obcn.data import CocoIds, read_photo
    from obcn.drawing import draw_detections
    from obcn.explain import detect_above, detection_rows
    from obcn.opening import open_detector

    refuse_folder(json_file)
    photos = [photo for path in photos for photo in _photos(path)]
    detector, _ = open_detector(model, chosen_device(device))
    ids = CocoIds.numbered(photos, detector.classes)
    if annotations is not None:
        if json_file is None:
            raise UserError("--annotations gives ids to the rows of --json: give --json too")
        ids = CocoIds.of_file(annotations, photos, detector.classes)
    decode_by(detector, decode, stages)
    select_by(detector, rank_by, merge_by)
    if save is not None:
        make_folder(save)
        if len({path.stem for path in photos}) < len(photos):
            raise UserError("two of these photos have one name, and --save would keep only one of them")
        if {_drawn(save, path).resolve() for path in photos} & {path.resolve() for path in photos}:
            raise UserError(f"--save {save} would write over the photos themselves; name another folder")
    rows, unread = [], 0
    for path, image_id in zip(photos, ids.images, strict=True):
        try:
            photo = read_photo(path)
        except UserError as error:
            if len(photos) == 1:
                raise
            typer.echo(f"obcn: {error}", err=True)
            unread += 1
            continue
        found = detect_above(detector, photo, score, detector.codec)
        found_rows = detection_rows(found, ids.categories, image_id, path.name)
        rows += found_rows
        typer.echo(f"{path}: {len(found)} object(s)")
        for row in found_rows:
            x, y, width, height = row["bbox"]
            typer.echo(f"  {row['category']} {row['score']:.2f}  x {x:.0f} y {y:.0f} w {width:.0f} h {height:.0f} px")
        if save is not None:
            with replacing(_drawn(save, path)) as temporary:
                draw_detections(photo, found).save(temporary, "PNG")
    if json_file is not None:
        write_text(json_file, json.dumps(rows, indent=1))
    if unread:
        raise UserError(f"{unread} of {len(photos)} photos could not be read; what is on the others is written")


def _photos(path: Path) -> list[Path]:
    """A photo itself, or those of a folder; what lies deeper may be drawn by this command."""
    from obcn.data.images import PHOTO_ENDINGS, is_photo

    if not path.is_dir():
        return [path]
    photos = sorted(file for file in path.iterdir() if is_photo(file))
    if not photos:
        below = next(
            (folder for folder in sorted(path.iterdir()) if folder.is_dir() and any(map(is_photo, folder.iterdir()))),
            None,
        )
        hint = "" if below is None else f", but {below} does: name that"
        raise UserError(f"{path} itself holds no photo ({', '.join(PHOTO_ENDINGS)}){hint}")
    return photos


def _drawn(folder: Path, photo: Path) -> Path:
    """Where the copy of a photo with its boxes goes."""
    return folder / f"{photo.stem}.png"
