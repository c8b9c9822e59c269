package acl

import "strings"

// List is a compiled access list. It never changes, so any number of goroutines may use one at a time. The zero List,
// like the empty one, allows nothing.
type List struct {
	literals map[string]sign // entries that stand for exactly one text, whoever owns the token
	negative patterns
	positive patterns
	size     int
}

// sign tells with which signs a literal entry is in the list; both is possible.
type sign uint8

const (
	positive sign = 1 << iota
	negative
)

// patterns are the entries of one sign that can match more than one text.
type patterns struct {
	root node
	all  []string // without '!'; for ambiguous owners
}

// query is what a list is asked: the required access, as plain text, and whose token it is.
type query struct {
	required, authID, session string
}

// Compile makes a list from its entries, in any order, repeated or not, each with its leading '!' if negative. Every text
// is a valid entry. The list goes on referring to the entries' texts, but not to the slice. The caller limits the length
// and number of entries: compiling takes time and memory in proportion to them.
func Compile(entries []string) *List {
	l := &List{literals: make(map[string]sign)}
	for _, entry := range Canonical(entries) {
		pattern, isNegative := strings.CutPrefix(entry, "!")
		s, set := positive, &l.positive
		if isNegative {
			s, set = negative, &l.negative
		}
		if isLiteral(pattern) {
			l.literals[pattern] |= s
			continue
		}
		set.all = append(set.all, pattern)
		set.root.insert(pattern)
	}
	l.size = l.measure()
	return l
}

// Allows decides whether the list grants the required access to the owner with this auth id in this session: some
// positive entry matches it and no negative one does. The required access is never interpreted: '*', '#', '!' and "me" in
// it are plain characters. A request that requires no access at all (no scope parameter) is not a question for a List.
//
// It does not allocate, but for required accesses of more than 4095 bytes and for auth ids beginning with "me." and
// sessions beginning with "my_session.".
func (l *List) Allows(required, authID, sessionUUID string) bool {
	q := query{required: required, authID: authID, session: sessionUUID}
	s := l.literals[required]
	if s&negative != 0 || l.negative.match(&q) {
		return false
	}
	return s&positive != 0 || l.positive.match(&q)
}

// MayAdd tells whether the owner of the list may put the access into a policy or hand out a policy holding it: what is
// negative takes away and so may always be added, everything else must be allowed to the owner, wildcards taken as
// plain characters ("Who may hand out an access").
func (l *List) MayAdd(access, authID, sessionUUID string) bool {
	return strings.HasPrefix(access, "!") || l.Allows(access, authID, sessionUUID)
}

// MayRemove tells whether the owner of the list may take the access out of a policy or take away a policy holding it.
// Removing a negative access gives what it denied, so its pattern must be allowed to the owner.
func (l *List) MayRemove(access, authID, sessionUUID string) bool {
	return l.Allows(strings.TrimPrefix(access, "!"), authID, sessionUUID)
}

// Size estimates the memory the list holds, in bytes and to about a quarter, so that a cache of lists can be bounded. The
// texts of the entries are counted in, though they may be shared.
func (l *List) Size() int { return l.size }

func (p *patterns) match(q *query) bool {
	if len(p.all) == 0 {
		return false
	}
	if !q.ambiguous() {
		return p.root.match(q, 0)
	}
	for _, pattern := range p.all {
		g := compileGlob(pattern)
		if g.match(q, q.required) {
			return true
		}
	}
	return false
}

// ambiguous tells that one text can begin both with a special word and with what it stands for: with the auth id
// "me.me", "me.me.me.x" leaves both "me.me.x" and "me.x" after a word me. Following every choice through the trie could
// take exponential time; globs follow them all at once.
func (q *query) ambiguous() bool {
	return strings.HasPrefix(q.authID, wordMe+".") || strings.HasPrefix(q.session, wordSession+".")
}
