package acl

import "reflect"

// Bytes taken by the parts of a list. A hash table has up to twice the room its entries need.
var (
	listBytes     = int(reflect.TypeFor[List]().Size())
	nodeBytes     = int(reflect.TypeFor[node]().Size())
	othersBytes   = int(reflect.TypeFor[others]().Size())
	edgeBytes     = int(reflect.TypeFor[edge]().Size())
	globBytes     = int(reflect.TypeFor[glob]().Size())
	globEdgeBytes = int(reflect.TypeFor[globEdge]().Size())
	stepBytes     = int(reflect.TypeFor[step]().Size())
	stringBytes   = int(reflect.TypeFor[string]().Size())
	mapEntryBytes = 2 * (stringBytes + 8)
	emptyMapBytes = 48
)

func (l *List) measure() int {
	n := listBytes + emptyMapBytes
	for text := range l.literals {
		n += mapEntryBytes + len(text)
	}
	return n + l.negative.measure() + l.positive.measure()
}

func (p *patterns) measure() int {
	n := p.root.measure() - nodeBytes // the root is a part of the list
	for _, pattern := range p.all {
		n += stringBytes + len(pattern)
	}
	return n
}

func (n *node) measure() int {
	if n == nil {
		return 0
	}
	size := nodeBytes + len(n.words)*edgeBytes + len(n.index)*mapEntryBytes
	for i := range n.words {
		size += n.words[i].to.measure()
	}
	for _, to := range n.index {
		size += to.measure()
	}
	if n.others != nil {
		size += n.others.measure()
	}
	return size
}

func (o *others) measure() int {
	size := othersBytes
	for i := range o.tails {
		size += globBytes + o.tails[i].measure()
	}
	for i := range o.globs {
		size += globEdgeBytes + o.globs[i].glob.measure() + o.globs[i].to.measure()
	}
	return size + o.any.measure() + o.me.measure() + o.session.measure() + o.edit.measure()
}

// measure counts what the glob refers to.
func (g *glob) measure() int {
	size := len(g.prefix) + len(g.suffix) + len(g.steps)*stepBytes
	for _, s := range g.steps {
		size += len(s.text)
	}
	return size
}
