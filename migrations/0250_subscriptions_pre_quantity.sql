-- subscriptions: how many seats a subscription has now, and had in each stretch of charging that is over; and what
-- its own time is to change.

alter table subscriptions_subscription
    add column quantity integer not null default 1 check (quantity >= 1),
    add column planned jsonb not null default '[]';
alter table subscriptions_segment
    add column quantity integer not null default 1 check (quantity >= 1);
