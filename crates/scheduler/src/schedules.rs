//! Schedules: what is due, and the jobs that it becomes.
