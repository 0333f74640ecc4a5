package gate

// Occupancy is who waits at one place, in all and by account: what the bounds of a queue are
// held against. The zero value is nobody.
type Occupancy struct {
	waiting, bytes int
	accounts       map[string]share
}

// share is what of those who wait is one account's.
type share struct{ waiting, bytes int }

// Join counts one who waits.
func (o *Occupancy) Join(account string, bytes int) {
	if o.accounts == nil {
		o.accounts = make(map[string]share)
	}
	of := o.accounts[account]
	o.accounts[account] = share{of.waiting + 1, of.bytes + bytes}
	o.waiting++
	o.bytes += bytes
}

// Part counts one who waits no more.
func (o *Occupancy) Part(account string, bytes int) {
	o.waiting--
	o.bytes -= bytes
	of := o.accounts[account]
	if of.waiting <= 1 {
		delete(o.accounts, account)
		return
	}
	o.accounts[account] = share{of.waiting - 1, of.bytes - bytes}
}

// Waiting returns how many wait.
func (o *Occupancy) Waiting() int { return o.waiting }

// Refuses says whether there is room for one more by the bounds of s: Granted, FullQueue, or
// FullAccount if three quarters of the statements, or of the bytes, would be its account's. An
// account of which nobody waits may have one of any size.
func (o *Occupancy) Refuses(s *Settings, account string, bytes int) Refusal {
	of := o.accounts[account]
	switch {
	case o.waiting >= s.MaxQueue || o.bytes+bytes > s.QueueBytes:
		return FullQueue
	case of.waiting >= max(1, shareOf(s.MaxQueue)), of.waiting > 0 && of.bytes+bytes > shareOf(s.QueueBytes):
		return FullAccount
	}
	return Granted
}

// shareOf is what one account may have of a bound.
func shareOf(bound int) int { return bound - bound/4 }
