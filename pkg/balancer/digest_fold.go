package balancer

import "bytes"

// maxFoldedRows is how many different rows a folded list of rows may have; those that
// come after them stay as they are.
const maxFoldedRows = 64

// folder leaves out, of the rows of VALUES, those that look like one before: what a
// statement does, is not said by how often a row of a form comes.
type folder struct {
	rows   []span // of the key: the rows of the list that goes on
	list   bool   // it is behind VALUES
	start  int    // where the open row begins; -1: none is open
	behind bool   // a comma stands in front of it
	values int    // how many values came before it
}

// Fold is [Digester.Digest] for long lists of rows that the digest does not reduce, since
// something else than values is in them (_binary 'a', NOW(), DEFAULT): of rows that look
// alike only one is kept. The key is then not that of the server's digest; a plan made
// from it says the same as one from the whole digest, but for where values stand.
func (d *Digester) Fold(text []byte, dialect Dialect) {
	d.fold = &folder{start: -1}
	d.digest(text, dialect)
	d.fold = nil
}

// clause takes a keyword outside of all brackets.
func (f *folder) clause(k TokenKind) {
	if f.list = k == kwValues || k == kwValue; f.list {
		f.rows = f.rows[:0]
	}
}

// begins takes an opening bracket that is about to be appended.
func (f *folder) begins(d *Digester) {
	if d.depth != 0 {
		return
	}
	f.start = -1
	f.behind = d.previous == ','
	if f.list && (f.behind || len(f.rows) == 0) {
		f.start, f.values = len(d.key), len(d.values)
	}
}

// ends takes the closing bracket that was appended.
func (f *folder) ends(d *Digester) {
	if d.depth != 0 || f.start < 0 || f.start >= len(d.key) { // the digest itself has reduced it
		return
	}
	row := d.key[f.start:]
	for _, other := range f.rows {
		if !f.behind || !sameRow(row, d.key[other.start:other.end]) {
			continue
		}
		d.key = d.key[:f.start-2]
		d.floor = min(d.floor, len(d.key))
		d.values = d.values[:min(f.values, len(d.values))]
		return
	}
	if len(f.rows) < maxFoldedRows {
		f.rows = append(f.rows, span{f.start, len(d.key)})
	}
}

// sameRow reports whether two rows look alike. One of values alone is one token, and the
// digest may have added others of that kind to the one that came first.
func sameRow(row, other []byte) bool {
	if len(row) != 2 || len(other) != 2 {
		return bytes.Equal(row, other)
	}
	wide := func(token []byte) bool {
		k := TokenKind(token[0]) | TokenKind(token[1])<<8
		return k == tokenWideRow || k == tokenWideRows
	}
	return wide(row) == wide(other)
}
