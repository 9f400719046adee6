"""The report of an evaluation: one HTML file that needs nothing else."""

import html
from collections.abc import Mapping, Sequence

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; color: #18212e }}
table {{ border-collapse: collapse }}
td, th {{ padding: .2rem .8rem; text-align: left; border-bottom: 1px solid #e5e7eb }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums }}
svg, img {{ max-width: 100%; height: auto }}
</style></head><body><h1>{title}</h1><p>{subtitle}</p>
<table><tr><th>metric</th><th>figure</th><th>95 % interval</th></tr>{rows}</table>
{sections}</body></html>
"""


def render_page(
    title: str,
    subtitle: str,
    figures: Mapping[str, tuple[float, float, float]],
    sections: Sequence[tuple[str, str]],
) -> str:
    """Returns the report.

    Args:
        title: heading.
        subtitle: what was measured.
        figures: value, lower and upper end by metric.
        sections: heading and content of each; content is HTML.
    """
    rows = "".join(
        f'<tr><td>{html.escape(name)}</td><td class="number">{value:.3f}</td>'
        f'<td class="number">{low:.3f} – {high:.3f}</td></tr>'
        for name, (value, low, high) in figures.items()
    )
    body = "".join(f"<h2>{html.escape(heading)}</h2>{content}" for heading, content in sections)
    return _PAGE.format(
        title=html.escape(title), subtitle=html.escape(subtitle), rows=rows, sections=body
    )
