<?php
// Makes the page of the chat. Arguments: the site's folder, host:port.
$_SERVER['HTTP_HOST'] = $argv[2];
require "$argv[1]/wp-load.php";
$made = wp_insert_post([
    'post_type' => 'page',
    'post_status' => 'publish',
    'post_name' => 'chat',
    'post_title' => 'Chat',
    'post_content' => '[doorkey_chat]',
], true);
if (is_wp_error($made)) {
    fwrite(STDERR, $made->get_error_message());
    exit(1);
}
$wp_rewrite->set_permalink_structure('/%postname%/');
$wp_rewrite->flush_rules(false);
