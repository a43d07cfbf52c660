"""Which of a compiler's options a case is fastest with: tried in a process of their own, and kept on disk."""
