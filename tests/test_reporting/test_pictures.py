import base64
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np

from ghostnet_mm.reporting.pictures import Bar, bar_chart, picture_address

SVG = "{http://www.w3.org/2000/svg}"


def content_of(address, kind):
    head, _, text = address.partition(",")
    assert head == f"data:{kind};base64"
    return base64.b64decode(text)


def test_a_picture_is_made_small_and_keeps_its_colors():
    pixels = np.full((100, 400, 3), (200, 40, 90), np.uint8)
    content = content_of(picture_address(pixels, side=80), "image/jpeg")
    small = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert small.shape == (20, 80, 3)
    assert np.abs(small.astype(int) - (200, 40, 90)).max() < 8


def test_a_chart_says_each_label_and_number_whatever_they_are():
    hostile = "$x</text>&$"
    bars = [Bar(hostile, 2.25, part=1.0), Bar("b", 10.0, kind="bad")]
    content = content_of(bar_chart(bars, "ms", digits=2), "image/svg+xml")
    texts = [text.text for text in ElementTree.fromstring(content).iter(f"{SVG}text")]
    assert {hostile, "b", "2.25", "10.00", "ms"} <= set(texts)
    assert content == content_of(bar_chart(bars, "ms", digits=2), "image/svg+xml")
