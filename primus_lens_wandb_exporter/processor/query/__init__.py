"""What goes out: the service's own questions, and those of the page."""
