// Package plugin runs sources of authentication that are programs of their own: it finds, starts, watches, restarts and
// stops them, and shows each as a backends.Provider or backends.Backend (backends.md sections 12 to 14 of the contract).
//
// The aim is that a bad plug-in costs its own users a login and nobody else anything. So a call has a deadline and a place
// among a bounded number of calls of its plug-in, both failing at once when they are used up; a plug-in that lets deadlines
// pass is not asked for a while; one that dies is started again after growing pauses; answers, log lines and memory are
// bounded; and no plug-in outlives this process. What a plug-in says is data: it reaches logs only as bounded text, without
// the password of the call.
package plugin
