"""The report of several variants side by side: standings, their words, exports and the critical-difference diagram."""
