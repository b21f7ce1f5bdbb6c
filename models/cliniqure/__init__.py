"""CliniQure's report writer (section 5): classes, boxes and a crude report in, a report out.

The paper's other parts are presets of their roles: `detector-cliniqure`, `classifier-cliniqure`
and `crude_report-r2gencmn`.
"""
