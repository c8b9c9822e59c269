package acl

import (
	"math/bits"
	"strings"
)

// glob is a pattern, or a part of one between dots, to be matched against a whole text without looking at words.
type glob struct {
	prefix, suffix string // literal ends, checked first
	steps          []step // what stands between them
}

type step struct {
	kind stepKind
	text string // of a literal
}

type stepKind uint8

const (
	stepLiteral stepKind = iota
	stepStar             // any characters but '.' and '#'
	stepHash             // any characters
	stepMe
	stepSession
	stepEdit
)

// compileGlob translates a pattern, whose words are separated by dots, into steps.
func compileGlob(pattern string) glob {
	var b globBuilder
	for i, word := range strings.Split(pattern, ".") {
		if i > 0 {
			b.literal.WriteByte('.')
		}
		switch word {
		case wordMe:
			b.add(stepMe)
		case wordSession:
			b.add(stepSession)
		case wordEdit:
			b.add(stepEdit)
		default:
			b.addWord(word)
		}
	}
	b.flush()
	return b.glob()
}

type globBuilder struct {
	steps   []step
	literal strings.Builder // of the step being built
}

func (b *globBuilder) addWord(word string) {
	for {
		i := strings.IndexAny(word, "*#")
		if i < 0 {
			b.literal.WriteString(word)
			return
		}
		b.literal.WriteString(word[:i])
		if word[i] == '*' {
			b.add(stepStar)
		} else {
			b.add(stepHash)
		}
		word = word[i+1:]
	}
}

// add appends a step that is no literal. Of neighbouring wildcards the widest is enough.
func (b *globBuilder) add(kind stepKind) {
	b.flush()
	if kind == stepHash {
		for b.last(stepStar) {
			b.steps = b.steps[:len(b.steps)-1]
		}
	}
	if kind == stepHash && b.last(stepHash) || kind == stepStar && (b.last(stepStar) || b.last(stepHash)) {
		return
	}
	b.steps = append(b.steps, step{kind: kind})
}

func (b *globBuilder) last(kind stepKind) bool {
	return len(b.steps) > 0 && b.steps[len(b.steps)-1].kind == kind
}

func (b *globBuilder) flush() {
	if b.literal.Len() > 0 {
		b.steps = append(b.steps, step{kind: stepLiteral, text: b.literal.String()})
		b.literal.Reset()
	}
}

func (b *globBuilder) glob() glob {
	g := glob{steps: b.steps}
	if len(g.steps) > 0 && g.steps[0].kind == stepLiteral {
		g.prefix, g.steps = g.steps[0].text, g.steps[1:]
	}
	if b.last(stepLiteral) && len(g.steps) > 0 {
		g.suffix, g.steps = g.steps[len(g.steps)-1].text, g.steps[:len(g.steps)-1]
	}
	return g
}

func (g *glob) match(q *query, text string) bool {
	if len(text) < len(g.prefix)+len(g.suffix) || !strings.HasPrefix(text, g.prefix) || !strings.HasSuffix(text, g.suffix) {
		return false
	}
	text = text[len(g.prefix) : len(text)-len(g.suffix)]
	if len(g.steps) == 0 {
		return text == ""
	}
	if len(g.steps) == 1 {
		if g.steps[0].kind == stepHash {
			return true
		}
		if g.steps[0].kind == stepStar {
			return strings.IndexByte(text, '.') < 0 && strings.IndexByte(text, '#') < 0
		}
	}
	return g.run(q, text)
}

// run follows all ways to match at once: step by step it keeps the set of positions in the text that can be reached. It
// takes at worst time in proportion to the length of the pattern (auth id and session put in) times that of the text.
func (g *glob) run(q *query, text string) bool {
	var small [64]uint64
	reached := positions(small[:])
	if n := len(text)/64 + 1; n <= len(small) {
		reached = reached[:n]
	} else {
		reached = make(positions, n)
	}
	reached.add(0)
	for _, s := range g.steps {
		switch s.kind {
		case stepLiteral:
			reached.advance(text, s.text, s.text)
		case stepStar:
			reached.spread(text)
		case stepHash:
			reached.fill(len(text))
		case stepMe:
			reached.advance(text, wordMe, q.authID)
		case stepSession:
			reached.advance(text, wordSession, q.session)
		case stepEdit:
			reached.advance(text, wordEdit, wordUpdate)
		}
		if reached.first() < 0 {
			return false
		}
	}
	return reached.has(len(text))
}

// positions is a set of positions in a text, its end included, one bit for each.
type positions []uint64

func (p positions) add(at int)      { p[at/64] |= 1 << (at % 64) }
func (p positions) has(at int) bool { return p[at/64]&(1<<(at%64)) != 0 }

// first gives the lowest position, -1 when there is none.
func (p positions) first() int {
	for i, word := range p {
		if word != 0 {
			return i*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// advance moves every position behind the texts that stand there, and drops those where neither stands. Positions only
// move up, so going down from the last no moved one is met again.
func (p positions) advance(text, one, other string) {
	for i := len(p) - 1; i >= 0; i-- {
		word := p[i]
		p[i] = 0
		for ; word != 0; word &= word - 1 {
			at := i*64 + bits.TrailingZeros64(word)
			if strings.HasPrefix(text[at:], one) {
				p.add(at + len(one))
			}
			if other != one && strings.HasPrefix(text[at:], other) {
				p.add(at + len(other))
			}
		}
	}
}

// spread adds the positions that '*' reaches from those there are.
func (p positions) spread(text string) {
	for at := p.first(); at < len(text); at++ {
		if p.has(at) && text[at] != '.' && text[at] != '#' {
			p.add(at + 1)
		}
	}
}

// fill adds all positions from the first to the end, as '#' does.
func (p positions) fill(end int) {
	for at := p.first(); at <= end; at++ {
		p.add(at)
	}
}
