// Package stack is what the benchmark measures on: databases of the newest schema with rows in them, the real programs as
// child processes with the settings of production, and what the kernel knows of those processes.
package stack
