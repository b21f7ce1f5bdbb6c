"""The draft report: ledger, phrasing, reading text back, verification, exports."""
