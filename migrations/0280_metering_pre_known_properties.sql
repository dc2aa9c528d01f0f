-- The only properties that a meter's events may have; null: any.

alter table metering_meter add column known_properties text[];
