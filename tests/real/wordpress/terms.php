<?php
// Writes how often each name that begins with a mark is among the categories into a JSON file. Arguments: the site's
// folder, host:port, the file, and the mark.
$_SERVER['HTTP_HOST'] = $argv[2];
require "$argv[1]/wp-load.php";
[,,, $into, $mark] = $argv;
$rows = $wpdb->get_results($wpdb->prepare(
    "SELECT name, COUNT(*) AS times FROM $wpdb->terms WHERE name LIKE %s GROUP BY 1",
    $wpdb->esc_like($mark) . '%'
));
file_put_contents($into, json_encode((object) array_map('intval', array_column($rows, 'times', 'name'))));
