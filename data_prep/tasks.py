"""The task that is prepared and measured where none is named. Light to import."""

DEFAULT_TASK = "language_modeling"
