package mysqld

import "strconv"

// NotedID is a connection id, written into a server's memory and read back.
func NotedID(id uint64) uint64 {
	low, high := id%slotLow+1, id/slotLow+slotOffset
	if low > cacheMax || high > cacheMax {
		return 0
	}
	r := fieldReader{row: []string{"3200", strconv.FormatUint(low*cacheUnit, 10), strconv.FormatUint(high*cacheUnit, 10)}}
	return readRenewal(&r).Below
}
