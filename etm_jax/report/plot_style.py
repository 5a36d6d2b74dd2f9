"""Colours and ticks that all plots share."""

INK, SOFT, FAINT, GRID = "#14213d", "#5b6579", "#8a93a3", "#e3e0d8"
FAMILIES = ("#3b6fb6", "#d1495b", "#c98512", "#2f8f6b", "#8a63b8", "#b5652f", "#2d8ea3", "#b0567f")
"""Colours of families of topics, as on the page."""


def tick_label(share: float, _: object = None) -> str:
    """A share of 1 as the label of a tick, in percent: with the digits of steps such as 0.25%, which rounding hides."""
    return f"{100 * share:.3g}%"
