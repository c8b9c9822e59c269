package acl

import "strings"

// maxScanned is how many literal children are compared one by one; more are found by a hash table.
const maxScanned = 8

// node is a place in a trie of patterns: where a pattern has got to after some whole words. Most nodes lead on to few
// literal words or nowhere, so they are kept small.
type node struct {
	end    bool             // a pattern ends here
	rest   bool             // a pattern goes on with a final "#", which matches all that can follow
	words  []edge           // next words that match themselves; up to maxScanned
	index  map[string]*node // the same, when they are more
	others *others
}

// others are the ways on from a node that are not literal words.
type others struct {
	tails   []glob     // the rests of the patterns whose next word contains '#'
	any     *node      // next word "*"
	globs   []globEdge // next words with '*' among other characters
	me      *node
	session *node
	edit    *node
}

type edge struct {
	word string
	to   *node
}

type globEdge struct {
	word string
	glob glob
	to   *node
}

// insert adds a pattern below the node, which is the root.
func (n *node) insert(pattern string) {
	for {
		word, rest, more := strings.Cut(pattern, ".")
		if strings.Contains(word, "#") {
			if pattern == "#" {
				n.rest = true
			} else {
				o := n.other()
				o.tails = append(o.tails, compileGlob(pattern))
			}
			return
		}
		n = n.next(word)
		if !more {
			n.end = true
			return
		}
		pattern = rest
	}
}

// next gives the child for a word of a pattern, made when missing.
func (n *node) next(word string) *node {
	switch {
	case word == wordMe:
		return orNew(&n.other().me)
	case word == wordSession:
		return orNew(&n.other().session)
	case word == wordEdit:
		return orNew(&n.other().edit)
	case word == "*":
		return orNew(&n.other().any)
	case strings.Contains(word, "*"):
		return n.other().glob(word)
	}
	if to := n.literal(word); to != nil {
		return to
	}
	to := new(node)
	n.addLiteral(word, to)
	return to
}

func (n *node) other() *others {
	if n.others == nil {
		n.others = new(others)
	}
	return n.others
}

func (o *others) glob(word string) *node {
	for i := range o.globs {
		if o.globs[i].word == word {
			return o.globs[i].to
		}
	}
	to := new(node)
	o.globs = append(o.globs, globEdge{word: word, glob: compileGlob(word), to: to})
	return to
}

func orNew(child **node) *node {
	if *child == nil {
		*child = new(node)
	}
	return *child
}

func (n *node) addLiteral(word string, to *node) {
	if n.index == nil && len(n.words) < maxScanned {
		n.words = append(n.words, edge{word: word, to: to})
		return
	}
	if n.index == nil {
		n.index = make(map[string]*node, 2*maxScanned)
		for _, e := range n.words {
			n.index[e.word] = e.to
		}
		n.words = nil
	}
	n.index[word] = to
}

func (n *node) literal(word string) *node {
	if n.index != nil {
		return n.index[word]
	}
	for i := range n.words {
		if n.words[i].word == word {
			return n.words[i].to
		}
	}
	return nil
}

// match tells whether some pattern below the node matches the required access from position at, where a word begins. A
// position beyond the text means that its last word was matched. Unless the query is ambiguous, a node is reached at one
// position at most, so the work is bounded by the size of the trie.
func (n *node) match(q *query, at int) bool {
	if at > len(q.required) {
		return n.end
	}
	if n.rest {
		return true
	}
	text := q.required[at:]
	word := text
	if dot := strings.IndexByte(text, '.'); dot >= 0 {
		word = text[:dot]
	}
	if to := n.literal(word); to != nil && to.match(q, at+len(word)+1) {
		return true
	}
	return n.others != nil && n.others.match(q, at, word)
}

// match is [node.match] for the ways on that are not literal words; word is the one that begins at the position.
func (o *others) match(q *query, at int, word string) bool {
	text, after := q.required[at:], at+len(word)+1
	for i := range o.tails {
		if o.tails[i].match(q, text) {
			return true
		}
	}
	if o.any != nil && strings.IndexByte(word, '#') < 0 && o.any.match(q, after) {
		return true
	}
	for i := range o.globs {
		if o.globs[i].glob.match(q, word) && o.globs[i].to.match(q, after) {
			return true
		}
	}
	if o.edit != nil && (word == wordEdit || word == wordUpdate) && o.edit.match(q, after) {
		return true
	}
	return o.me != nil && q.matchOwn(o.me, at, wordMe, q.authID) ||
		o.session != nil && q.matchOwn(o.session, at, wordSession, q.session)
}

// matchOwn goes on to a node behind a word that stands for itself or for an id of the owner's. The id may be any text,
// so it may span several words of the required access.
func (q *query) matchOwn(to *node, at int, word, id string) bool {
	text := q.required[at:]
	return startsWithWords(text, word) && to.match(q, at+len(word)+1) ||
		id != word && startsWithWords(text, id) && to.match(q, at+len(id)+1)
}

// startsWithWords tells whether the text begins with the other one and a word of it ends there.
func startsWithWords(text, words string) bool {
	return strings.HasPrefix(text, words) && (len(text) == len(words) || text[len(words)] == '.')
}
