# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws bench.json: a group of bars for each row, a bar for each path."""

from xml.sax.saxutils import escape

COLOURS = {
    "plain": "#8a8f98",
    "wireguard": "#b0413e",
    "xfrm": "#c98a1b",
    "xfrm-offload": "#6b7f2a",
    "cygnet-udp": "#1f5fa8",
    "cygnet-esp": "#5b3fa0",
}
WIDTH, LEFT, RIGHT = 900, 210, 90
BAR, GAP, GROUP = 16, 3, 16
STYLE = """text { font: 12px sans-serif; fill: #222 }
.row { font-weight: bold } .value { font-variant-numeric: tabular-nums }
.title { font-size: 16px; font-weight: bold } .note { fill: #666 }
.line { stroke: #ddd }
@media (prefers-color-scheme: dark) {
    text { fill: #eee } .note { fill: #aaa } .line { stroke: #444 } }"""


def text(x, y, what, kind="", anchor="start"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f'{escape(what)}</text>')


def bar(y, result, scale):
    """Dark for the kernel's work, light for the cipher's."""
    colour = COLOURS[result["path"]]
    kernel, whole = result["insn_nocipher"] * scale, result["insn"] * scale
    return [
        text(LEFT - 8, y + BAR - 4, result["path"], anchor="end"),
        f'<rect x="{LEFT}" y="{y}" width="{kernel:.1f}" height="{BAR}" fill="{colour}"/>',
        f'<rect x="{LEFT + kernel:.1f}" y="{y}" width="{whole - kernel:.1f}" height="{BAR}"'
        f' fill="{colour}" fill-opacity="0.4"/>',
        text(LEFT + whole + 6, y + BAR - 4, f'{result["insn"] / 1000:.1f}k', "value"),
    ]


def group(y, row, results, scale):
    parts = [text(8, y + BAR - 4, row, "row")]
    for result in results:
        parts += bar(y, result, scale)
        y += BAR + GAP
    return y + GROUP, parts


def draw_kernel(y, kernel, results, scale):
    parts = [text(8, y, f"Linux {kernel}: kernel instructions, both ends", "title"),
             text(8, y + 20, "a unit of the row: 1,400 bytes of payload, a small datagram, or a "
                  "round trip; light: cipher and crypto API", "note")]
    y += 36
    top = y
    for row in dict.fromkeys(result["row"] for result in results):
        y, more = group(y, row, [r for r in results if r["row"] == row], scale)
        parts += more
    for mark in range(0, int((WIDTH - LEFT - RIGHT) / scale) + 1, 10000):
        x = LEFT + mark * scale
        parts.insert(0, f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{y - GROUP}"'
                        ' class="line"/>')
        parts.append(text(x, y - GROUP + 14, f"{mark // 1000}k", "note", "middle"))
    return y, parts


def draw(results):
    """An SVG document."""
    scale = (WIDTH - LEFT - RIGHT) / max(result["insn"] for result in results)
    y, parts = 24, []
    for kernel in dict.fromkeys(result["kernel"] for result in results):
        y, more = draw_kernel(y, kernel, [r for r in results if r["kernel"] == kernel], scale)
        parts += more
        y += 40
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}">',
        f"<style>{STYLE}</style>", *parts, "</svg>", ""])
