"""Bounded queues, one worker thread and the sinks it serves; blind to what they carry."""
