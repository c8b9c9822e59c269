// Package acl owns the access language: what an access list allows its owner to do, and which accesses he may hand out.
//
// An access list is compiled once and then asked many times, for every request of every service. A compiled [List] does
// not depend on who owns the token: the words me, my_session and edit are resolved when matching, so that the thousands
// of tokens holding the same policies share one List, cached under the [ID] of their entries.
//
// Entries without any special word or wildcard sit in a hash table. The others sit in two tries of words, one for the
// negative and one for the positive entries; where a pattern reaches a word with '#', which may swallow dots, the rest of
// it is a glob on the rest of the text. No pattern, however hostile, costs more than its length times that of the text.
//
// The package is pure: it depends on nothing but the standard library and keeps no state. Its rules are those of the
// contract, "Tokens", section 13; testdata/cases.yaml holds them as a table other executors can run too.
package acl
