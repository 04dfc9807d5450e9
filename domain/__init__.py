"""What Earlybird decides: flags, segments, who is served what. Knows no framework, no store, no protocol."""
