// Package supervise keeps the programs of a development stack alive: it starts each in a process group of its own, writes
// its output to a log file, starts it again with back-off when it dies, and stops it with a deadline. On Linux a program
// dies with its supervisor even when that one is killed, so that nothing of a crashed stack is left over.
package supervise
