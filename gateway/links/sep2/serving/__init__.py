"""What both sides serve with: connections, bodies, answers, and the state on disk."""
