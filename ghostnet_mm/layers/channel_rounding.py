"""The channel rounding of the Ghost family."""


def round_channels(channels: float, divisor: int = 4) -> int:
    """Round to the nearest multiple of ``divisor`` that keeps at least 90 %.

    Args:
        channels: Wanted number of channels, any positive number.
        divisor: What the result is a multiple of; the Ghost papers use 4.

    Returns:
        The number of channels, at least ``divisor``.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    if rounded < 0.9 * channels:
        rounded += divisor
    return rounded
