"""Questions about a project, answered with a stack and its reasons."""
