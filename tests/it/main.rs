//! Whole processes under faults. Each test is a rule; each starts its own `pomona`.
