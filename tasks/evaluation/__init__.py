"""How good the answers are: metrics, intervals, calibration, charts. Knows nobody."""
