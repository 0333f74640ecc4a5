package mysqld

import (
	"context"
	"strconv"
)

// HandsAnswer asks a question on the connection that acts.
func (m *Member) HandsAnswer(ctx context.Context, question string) (string, error) {
	if err := m.hands.enter(ctx); err != nil {
		return "", err
	}
	defer m.hands.leave()
	if err := m.takeHands(ctx); err != nil {
		return "", err
	}
	t, err := m.hands.conn.query(ctx, question)
	return t.value(), err
}

// NotedID is a connection id, written into a server's memory and read back.
func NotedID(id uint64) uint64 {
	low, high := id%slotLow+1, id/slotLow+slotOffset
	if low > cacheMax || high > cacheMax {
		return 0
	}
	r := fieldReader{row: []string{"3200", strconv.FormatUint(low*cacheUnit, 10), strconv.FormatUint(high*cacheUnit, 10)}}
	return readRenewal(&r).Below
}
