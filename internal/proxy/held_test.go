package proxy

import (
	"slices"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
)

// Statements larger than the buffer are known as small ones are: where they go, what
// they leave behind.
func TestHeldStatementsGoToTheirOwners(t *testing.T) {
	f := startTwoOwners(t, Config{})
	values := strings.Repeat("x", 20*bufferSize)
	c := f.client(t)
	c.runs(t, "USE shop", "INSERT INTO card VALUES ('"+values+"')", "INSERT INTO stock.item VALUES ('"+values+"')",
		"/*!40000 ALTER TABLE shop.card COMMENT '"+values+"' */", "UPDATE card SET a = '"+values+"'",
		"CREATE TRIGGER shop.t BEFORE INSERT ON card FOR EACH ROW SET NEW.a = '"+values+"'")
	large := func(text string) bool { return len(text) > len(values) }
	if at1, at2 := len(slices.DeleteFunc(texts(f.fake), func(text string) bool { return !large(text) })), len(slices.DeleteFunc(texts(f.m2), func(text string) bool { return !large(text) })); at1 != 1 || at2 != 4 {
		t.Errorf("%d and %d large statements at m1 and m2", at1, at2)
	}
	if told := c.refused(t, "DELETE shop.card FROM shop.card JOIN stock.item WHERE a = '"+values+"'"); !strings.Contains(told, "shop (owner m2)") {
		t.Errorf("told %q", told)
	}
	if told := c.refused(t, "UPDATE card SET a = '"+values+"'; UPDATE stock.item SET a = 1"); !strings.Contains(told, "shop (owner m2)") {
		t.Errorf("what stands behind the values was not seen: told %q", told)
	}
	if pins := f.Pins(); len(pins) > 0 {
		t.Errorf("pinned: %v", pins)
	}
	c.runs(t, "SELECT '"+values+"', GET_LOCK('a', 1)")
	waitFor(t, "the pin", func() bool { return len(f.Pins()) == 1 })
	if held := f.buffers.held.Load(); held != 0 {
		t.Errorf("%d bytes are still reserved", held)
	}
}

// A client that says that much comes, and does not send it, costs what it has sent; what
// all hold together is bounded, and beyond that commands are streamed.
func TestHeldTextsAreBounded(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	begun := func(size int) *raw {
		c := f.client(t)
		_, _ = c.conn.Write(wire.AppendHeader(nil, heldText, 0))
		_, _ = c.conn.Write([]byte("\x03" + strings.Repeat(" ", size)))
		return c
	}
	c := begun(3 * bufferSize)
	waitFor(t, "it to be read", func() bool { return f.buffers.held.Load() > 0 })
	if held := f.buffers.held.Load(); held > 16*bufferSize {
		t.Errorf("%d bytes are reserved for %d", held, 3*bufferSize)
	}
	_ = c.conn.Close()
	waitFor(t, "the end", func() bool { return f.buffers.held.Load() == 0 })

	for range heldTexts / heldText {
		begun(heldText - 1000)
	}
	waitFor(t, "the bound", func() bool { return f.buffers.held.Load() == heldTexts })
	streamed := f.client(t)
	streamed.runs(t, "SELECT '"+strings.Repeat("x", 10*bufferSize)+"'")
	waitFor(t, "the pin of what was not looked at", func() bool {
		pins := f.Pins()
		return len(pins) == 1 && strings.Contains(pins[0].Why, "too long")
	})
}

// What comes behind a large statement does not keep its memory.
func TestHeldMemoryIsGivenBack(t *testing.T) {
	var p pool
	b := buffer{pool: &p}
	b.append([]byte(strings.Repeat("a", bufferSize)))
	for size := bufferSize; size < 10*bufferSize; size = len(b.mem) {
		if !b.extend(10 * bufferSize) {
			t.Fatal("no room")
		}
		b.append([]byte(strings.Repeat("b", len(b.mem)-size)))
	}
	b.consume(10*bufferSize - 3)
	if string(b.bytes()) != "bbb" || len(b.mem) != bufferSize || p.held.Load() != 0 {
		t.Errorf("%q in %d bytes, %d reserved", b.bytes(), len(b.mem), p.held.Load())
	}
}
