insert into kit_forgetting (relation, moment) values ('doors_letter', 'arrived_at');
drop function doors_forget(timestamptz, integer);
