"""Names of the figures that an evaluation has, all in percent, and which of them each kind of table shows."""

FIGURES = ("AP", "AP50", "AP60", "AP70", "AP75", "AP80", "AP90", "APs", "APm", "APl")

# AP over all IoU thresholds and at single ones; the others are by area.
BY_IOU = FIGURES[:7]
# The paper's tables have no AP75.
OF_THE_PAPER = tuple(name for name in BY_IOU if name != "AP75")
# Beside gains there is room for these.
OF_A_STUDY = ("AP", "AP50", "AP70", "AP80", "AP90")
OF_A_CARD = ("AP", "AP50", "AP75", "AP90")
